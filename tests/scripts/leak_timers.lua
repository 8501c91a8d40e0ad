-- SPDX-License-Identifier: MIT
-- A plugin of Neovim that shows messages, each with a timer to take it away again, and forgets to
-- close them; then somebody kills the editor. With FIXED in the environment it closes them.

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
ticker:start(1, 1, function()
	show()
	if shown == 60 then
		ticker:close()
	end
end)

if not vim.wait(10000, function() return gone == 60 end, 1) then
	vim.cmd('cquit 3')
end
io.stdout:write(shown, ' messages\n')
io.stdout:flush()
uv.kill(uv.os_getpid(), 'sigkill')
