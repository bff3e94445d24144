-- The body of workloads.MIB bytes.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "report.lua")

wrk.method = "POST"
wrk.body = string.rep("0123456789abcdef", 65536)
