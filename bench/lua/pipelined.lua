-- Sixteen requests at once; wrk counts their answers, and measures the time to the last of them.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "report.lua")

local DEEP = 16
local batch

function init(args)
   batch = string.rep(wrk.format(), DEEP)
end

function request()
   return batch
end
