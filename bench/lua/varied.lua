-- Heads as browsers send them, each its own: what a server remembers of the last one is of no use.
-- All are made before the clock starts, so that wrk only has to pick the next.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "report.lua")

local DIFFERENT = 20000
local requests, last = {}, 0

local function head(number)
   local path = string.format("/items/%d/%s?page=%d&q=%x",
      number, string.rep("a", number % 23 + 1), number % 97, number * 2654435761 % 4294967296)
   return wrk.format("GET", path, {
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      ["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3",
      ["Accept-Encoding"] = "gzip, deflate, br, zstd",
      ["Referer"] = "http://localhost/items",
      ["Cookie"] = string.format("session=%032x; theme=dark", number * 40503),
      ["Sec-Fetch-Mode"] = "navigate",
      ["X-Request-Id"] = string.format("%08x-%04x-4000-8000-%012x", number, number % 65521, number),
   })
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
