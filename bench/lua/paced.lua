-- A client in no hurry: each connection pauses after every answer, so the server is far from full.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "report.lua")

local PAUSE = 10 -- milliseconds

function delay()
   return PAUSE
end
