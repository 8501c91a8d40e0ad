-- SPDX-License-Identifier: MIT
-- For LuaJIT: asks for the frames from functions that it compiles after a while. Then nobody can
-- say where in Lua that is, and nothing may be told; before, all of it must be right.

local ffi = require 'ffi'
ffi.cdef [[
	uint32_t uvhooks_capture_stack(void);
	struct frame { const char *function; const char *file; uint32_t line, reserved; };
	struct stack {
		uint32_t size, number, address_count, frame_count;
		const uintptr_t *addresses;
		const struct frame *frames;
	};
	int uvhooks_read_stack(uint32_t number, struct stack *stack);
]]
require 'luv' -- without a libuv in the process nothing is traced
local shim = ffi.C
local lines = { last = 24 }

local function deep(levels)
	if levels == 0 then
		return tonumber(shim.uvhooks_capture_stack())
	end
	local number = deep(levels - 1) -- line 24
	return number
end

local numbers = {}
for i = 1, 400 do
	numbers[i] = deep(i % 5)
end

local stack = ffi.new('struct stack')
local told, untold = 0, 0
for i, number in ipairs(numbers) do
	stack.size = ffi.sizeof(stack)
	assert(shim.uvhooks_read_stack(number, stack) == 0)
	if stack.frame_count == 0 then
		untold = untold + 1
	else
		told = told + 1
		assert(stack.frame_count == i % 5 + 2, 'a wrong number of frames')
		for level = 1, i % 5 do
			assert(stack.frames[level].line == lines.last, 'a wrong line')
		end
	end
end
print(told > 0 and 'some were told', untold > 0 and 'some were compiled')
