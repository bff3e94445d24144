-- What wrk has measured, as one line of JSON at the end of its output. Latencies in milliseconds.
function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '{"requests":%d,"bytes":%.0f,"seconds":%f,"p50":%f,"p99":%f,"p99.9":%f,"max":%f,' ..
      '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
      summary.requests, summary.bytes, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency:percentile(99.9) / 1e3, latency.max / 1e3,
      e.connect, e.read, e.write, e.status, e.timeout))
end
