-- wrk's script: wrk … -s pay.lua URL -- KEYS RUN. Each call pays 1 to a random key, under a request id of its own.

local made = 0

function setup(thread)
    thread:set("number", made)
    made = made + 1
end

function init(args)
    keys, run, sent = tonumber(args[1]), args[2], 0
    math.randomseed(7919 * (number + 1))
end

function request()
    sent = sent + 1
    local headers = {["content-type"] = "application/json", ["idempotency-key"] = run .. "-" .. number .. "-" .. sent}
    return wrk.format("POST", "/Account/k" .. math.random(0, keys - 1) .. "/pay", headers, '{"amount":1}')
end

function done(summary, latency, requests)
    local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
        + summary.errors.timeout
    io.write(string.format('{"calls":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n', summary.requests,
        summary.duration, latency:percentile(50), latency:percentile(99), errors))
end
