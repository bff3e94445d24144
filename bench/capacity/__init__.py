"""How much it takes for a load: a queueing model of gpool, checked against gpool itself.

python -m bench.capacity --rate 5000 --cpu 0.4ms --wait 30ms --p99 120ms   processes and limits
python -m bench.capacity.measuring [FOLDER]   the model beside measurements: a table, a picture
python -m bench.capacity.idle [FOLDER]        what idle connections cost, in gpool and the kernel
"""
