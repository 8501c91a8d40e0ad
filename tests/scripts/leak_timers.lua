-- SPDX-License-Identifier: MIT
-- A plugin of Neovim that shows messages, each with a timer to take it away again, and forgets to
-- close them: Neovim does, when it quits. With KILLED in the environment it has no time for that;
-- with FIXED the plugin closes them.

local uv = vim.loop
local fixed = os.getenv('FIXED') ~= nil
local shown, gone = 0, 0

local function show()
	shown = shown + 1
	local timer = uv.new_timer() -- PLANTED
	timer:start(1, 0, function()
		gone = gone + 1
		timer:stop()
		if fixed then
			timer:close()
		end
	end)
end

local ticker = uv.new_timer()
ticker:start(5, 5, function()
	show()
	if shown == 40 then
		ticker:close()
	end
end)

if not vim.wait(10000, function() return gone == 40 end, 1) then
	vim.cmd('cquit 3')
end
io.stdout:write(shown, ' messages\n')
if os.getenv('KILLED') then
	io.stdout:flush()
	uv.kill(uv.os_getpid(), 'sigkill')
end
