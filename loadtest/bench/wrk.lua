-- What wrk sends and counts: one prepared request after the other, every answer looked at.
-- Arguments: the file of request targets, one per line, each is sent once; then perhaps
-- "numbered": every request has a head of its own, as behind a proxy that numbers them.

function setup(thread)
  the_thread = thread -- done() lives in another state and asks the thread's one
end

function init(arguments)
  ok, refused, sent, first_refusal = 0, 0, 0, ""
  requests, prepared = {}, 0
  for target in io.lines(arguments[1]) do
    local number = ""
    if arguments[2] == "numbered" then
      number = string.format("X-Request-Id: %016d\r\n", #requests)
    end
    requests[#requests + 1] =
      "GET " .. target .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n" .. number .. "\r\n"
  end
  prepared = #requests
end

function request()
  local next_one = requests[sent % #requests + 1]
  sent = sent + 1
  return next_one
end

function response(status, headers, body)
  if status == 200 and body:find("status=OK\r\n", 1, true) then
    ok = ok + 1
  else
    refused = refused + 1
    if first_refusal == "" then
      first_refusal = status .. " " .. (body:match("status=([A-Z_]+)") or "without a status")
    end
  end
end

function done(summary, latency, answered)
  local failed = summary.errors
  io.write(string.format(
    'RESULT {"ok": %d, "refused": %d, "first_refusal": "%s", "sent": %d, "prepared": %d, ' ..
    '"requests": %d, "duration_us": %d, "broken": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
    the_thread:get("ok"), the_thread:get("refused"), the_thread:get("first_refusal"),
    the_thread:get("sent"), the_thread:get("prepared"),
    summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
