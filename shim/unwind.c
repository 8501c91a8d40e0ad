/* SPDX-License-Identifier: MIT */
/*
 * How C++ exceptions, pthread_exit and pthread_cancel pass a trampoline.
 *
 * The compiler makes a `cleanup` work through two functions that normally come from libgcc_s: the
 * personality routine, and _Unwind_Resume. The shim must not load a library into the program, and
 * the program's unwinder may be another (LLVM's, or one linked into it). So both stand here,
 * hidden, and use the functions of the very unwinder that calls us: they are looked up in the
 * object that the call came from. If it does not export them the cleanup is passed over, and the
 * next boundary mends the stack as after a longjmp.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "context.h"
#include "object.h"

enum reason { INSTALL_CONTEXT = 7, CONTINUE_UNWIND = 8, HANDLER_FOUND = 6 };
enum action { SEARCH_PHASE = 1, FORCE_UNWIND = 8 };

/* Registers in which a landing pad gets the exception and a selector. */
#define REGISTER_EXCEPTION __builtin_eh_return_data_regno(0)
#define REGISTER_SELECTOR  __builtin_eh_return_data_regno(1)

struct unwinder {
	uintptr_t (*get_ip)(void *frame);
	uintptr_t (*get_region_start)(void *frame);
	const uint8_t *(*get_data)(void *frame);
	void (*set_register)(void *frame, int number, uintptr_t value);
	void (*set_ip)(void *frame, uintptr_t value);
	void (*resume)(void *exception);
};

static bool find_unwinder(struct unwinder *unwinder, uintptr_t caller)
{
	struct uvh_object object;
	const struct {
		const char *name;
		void *target;
	} wanted[] = {
	    {"_Unwind_GetIP", &unwinder->get_ip},
	    {"_Unwind_GetRegionStart", &unwinder->get_region_start},
	    {"_Unwind_GetLanguageSpecificData", &unwinder->get_data},
	    {"_Unwind_SetGR", &unwinder->set_register},
	    {"_Unwind_SetIP", &unwinder->set_ip},
	    {"_Unwind_Resume", &unwinder->resume},
	};

	if (!uvh_object_at(&object, caller))
		return false;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		void *function = uvh_object_function(&object, wanted[i].name);

		if (function == NULL)
			return false;
		memcpy(wanted[i].target, &function, sizeof(function));
	}
	return true;
}

static uintptr_t read_uleb128(const uint8_t **data)
{
	uintptr_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = *(*data)++;
		value |= (uintptr_t) (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

#define ENCODING_NONE    0xff
#define ENCODING_ULEB128 0x01
#define ENCODING_UDATA4  0x03

static uintptr_t read_encoded(const uint8_t **data, uint8_t encoding)
{
	uint32_t word;

	if (encoding == ENCODING_ULEB128)
		return read_uleb128(data);
	memcpy(&word, *data, sizeof(word));
	*data += sizeof(word);
	return word;
}

/* The landing pad for an address in this function, from the table that the compiler wrote; or 0. */
static uintptr_t find_landing_pad(const uint8_t *data, uintptr_t function, uintptr_t ip)
{
	uintptr_t offset = ip - function;
	uintptr_t length;
	const uint8_t *end;
	uint8_t encoding;

	if (data == NULL || *data++ != ENCODING_NONE)
		return 0;
	if (*data++ != ENCODING_NONE)
		read_uleb128(&data);
	encoding = *data++;
	if (encoding != ENCODING_ULEB128 && encoding != ENCODING_UDATA4)
		return 0;
	length = read_uleb128(&data);
	end = data + length;
	while (data < end) {
		uintptr_t start = read_encoded(&data, encoding);
		uintptr_t size = read_encoded(&data, encoding);
		uintptr_t pad = read_encoded(&data, encoding);

		read_uleb128(&data); /* the action: a cleanup has none */
		if (offset < start)
			return 0;
		if (offset < start + size)
			return pad == 0 ? 0 : function + pad;
	}
	return 0;
}

/* The compiler refers to the first two by name; nobody calls them. */
int __gcc_personality_v0(int version, int actions, uint64_t class, void *exception, void *frame);
void _Unwind_Resume(void *exception) __attribute__((noreturn));
int uvh_guard_personality(int version, int actions, uint64_t class, void *exception, void *frame);

/* For the C functions of the shim: their only handlers are cleanups. */
int __gcc_personality_v0(int version, int actions, uint64_t class, void *exception, void *frame)
{
	struct unwinder unwinder;
	uintptr_t pad;

	(void) class;
	if (version != 1 || (actions & SEARCH_PHASE) ||
	    !find_unwinder(&unwinder, (uintptr_t) __builtin_return_address(0)))
		return CONTINUE_UNWIND;
	pad = find_landing_pad(unwinder.get_data(frame), unwinder.get_region_start(frame),
			       unwinder.get_ip(frame) - 1);
	if (pad == 0)
		return CONTINUE_UNWIND;
	uvh_tls.unwind_resume = unwinder.resume;
	unwinder.set_register(frame, REGISTER_EXCEPTION, (uintptr_t) exception);
	unwinder.set_register(frame, REGISTER_SELECTOR, 0);
	unwinder.set_ip(frame, pad);
	return INSTALL_CONTEXT;
}

/*
 * A landing pad ends with this: the unwinding that brought us there goes on. It must have no
 * cleanup itself, and a sanitizer would give it one.
 */
__attribute__((no_sanitize("thread", "address", "undefined"))) void _Unwind_Resume(void *exception)
{
	uvh_tls.unwind_resume(exception);
	__builtin_unreachable();
}

/* Where uvh_guarded_call goes on when an exception is caught; see guard_*.S. */
extern const char uvh_guard_landing[];

/* For uvh_guarded_call: it catches every exception, but lets pthread_exit and cancellation pass. */
int uvh_guard_personality(int version, int actions, uint64_t class, void *exception, void *frame)
{
	struct unwinder unwinder;

	(void) class;
	if (version != 1 || (actions & FORCE_UNWIND) ||
	    !find_unwinder(&unwinder, (uintptr_t) __builtin_return_address(0)))
		return CONTINUE_UNWIND;
	if (actions & SEARCH_PHASE)
		return HANDLER_FOUND;
	unwinder.set_register(frame, REGISTER_EXCEPTION, (uintptr_t) exception);
	unwinder.set_ip(frame, (uintptr_t) uvh_guard_landing);
	return INSTALL_CONTEXT;
}
