-- Sends requests in batches of 16 on each connection, as a client that pipelines does: wrk -s bench/wrk/pipeline.lua.
-- The batch is built once, so that the client costs as little as it can; wrk counts every reply.
-- SPDX-License-Identifier: MIT

local depth = 16
local batch

init = function()
    local one = wrk.format()
    batch = string.rep(one, depth)
end

request = function()
    return batch
end
