-- A mix of requests of the tour's programs, single ones and pipelined batches: wrk -s tests/soak/mix.lua. Everything is
-- composed beforehand, so that the client costs as little as it can. What closes the connection is left to the script's
-- own clients.
-- SPDX-License-Identifier: MIT

local small, cached, rare, batches = {}, {}, {}, {}
local count = 0

local function get(path, headers)
    return wrk.format("GET", path, headers)
end

init = function()
    local long = {}
    for i = 1, 60 do
        long["X-" .. i] = string.rep("v", 20)
    end
    small = {
        get("/"), get("/file/hello.txt"), get("/json", { ["X-Request-ID"] = "42" }), get("/efficient"),
        get("/users/7/posts/first"), get("/users/7/posts/%41?a=%42"), get("/json", long),
        get("/nowhere"), get("/file/missing"), get("/file/../secret"), wrk.format("DELETE", "/"), wrk.format("OPTIONS", "/"),
        wrk.format("POST", "/length", nil, string.rep("x", 3000)), wrk.format("POST", "/echo", nil, string.rep("x", 300)),
    }
    rare = {
        get("/csv"), get("/file/large.bin"), wrk.format("POST", "/echo", nil, string.rep("x", 20000)),
        wrk.format("POST", "/length", nil, string.rep("x", 100000)),
    }
    for i = 1, 3000 do -- more keys than the cache holds, all of one length
        cached[i] = get(string.format("/cache/key-%04d", i))
    end
    for i = 1, 50 do
        local parts = {}
        for j = 1, 16 do
            parts[j] = j % 4 == 0 and cached[(i * 16 + j) * 37 % 3000 + 1] or small[(i + j) % #small + 1]
        end
        batches[i] = table.concat(parts)
    end
end

request = function()
    count = count + 1
    if count % 400 == 0 then
        return rare[count / 400 % #rare + 1]
    elseif count % 4 == 0 then
        return batches[count / 4 % #batches + 1]
    elseif count % 4 == 1 then
        return cached[count * 7 % 3000 + 1]
    end
    return small[count % #small + 1]
end
