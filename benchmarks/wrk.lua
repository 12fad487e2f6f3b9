-- Sends the prepared requests of the folder REQUESTS (0, 1, 2, …) in rotation, and ends with one line of JSON.

local requests, last = {}, 0

function init()
  local file = io.open(os.getenv("REQUESTS") .. "/0", "rb")
  while file do
    requests[#requests + 1] = file:read("*a")
    file:close()
    file = io.open(os.getenv("REQUESTS") .. "/" .. #requests, "rb")
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
