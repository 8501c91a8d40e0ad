/* SPDX-License-Identifier: MIT */
/* Timers that are made in functions whose names the linker knows in another way than people. */
#include <cstdio>
#include <cstdlib>
#include <uv.h>

namespace shop
{

static void on_timer(uv_timer_t *)
{
}

struct Cart {
	uv_timer_t timer;
	__attribute__((noinline)) int add(uv_loop_t *loop);
	template <typename Number> __attribute__((noinline)) int wait(Number ms);
};

int Cart::add(uv_loop_t *loop)
{
	int error = uv_timer_init(loop, &timer); /* a method */

	asm volatile("");
	return error;
}

template <typename Number> int Cart::wait(Number ms)
{
	int error = uv_timer_start(&timer, on_timer, static_cast<uint64_t>(ms), 0); /* a template */

	asm volatile("");
	return error;
}

} // namespace shop

int main()
{
	static shop::Cart cart, other;
	uv_loop_t *loop = uv_default_loop();
	auto check = [](int error) {
		if (error != 0)
			abort();
	};
	auto make = [](uv_loop_t * where) __attribute__((noinline))
	{
		int error = uv_timer_init(where, &other.timer); /* a lambda */

		asm volatile("");
		return error;
	};

	check(cart.add(loop));
	check(cart.wait(1));
	check(make(loop));
	check(uv_run(loop, UV_RUN_DEFAULT));
	puts("done");
	return 0;
}
