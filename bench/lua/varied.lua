-- Heads as browsers send them, each its own: what a server remembers of the last one is of no use.
-- What they have in common is given to wrk as headers. All are made before the clock starts, so that
-- wrk only has to pick the next.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "report.lua")

local DIFFERENT = 20000
local requests, last = {}, 0

local function head(number)
   local path = string.format("/items/%d/%s?page=%d&q=%x",
      number, string.rep("a", number % 23 + 1), number % 97, number * 2654435761 % 4294967296)
   local headers = {
      ["Cookie"] = string.format("session=%032x; theme=dark", number * 40503),
      ["X-Request-Id"] = string.format("%08x-%04x-4000-8000-%012x", number, number % 65521, number),
   }
   for name, value in pairs(wrk.headers) do
      headers[name] = value
   end
   return wrk.format("GET", path, headers)
end

function init(args)
   for number = 1, DIFFERENT do
      requests[number] = head(number)
   end
end

function request()
   last = last % DIFFERENT + 1
   return requests[last]
end
