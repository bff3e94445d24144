"""make soak: millions of requests of all kinds, each byte and each id of them checked.

Three processes: a server (`serving`) with an application made for this (`application`), a client
(`client`) that misbehaves on purpose and reads every answer to the byte (`moves`, `nasty`), and
`__main__`, which watches both (`running`) and judges in the end (`rules`, `claims`).
"""
