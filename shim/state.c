/* SPDX-License-Identifier: MIT */
/*
 * How a resource stands. It is the program's struct that is looked into, and the program may have
 * freed it without closing it: so all of it is copied first, by the kernel, which says where there
 * is nothing.
 */
#include "state.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "context.h"
#include "init.h"
#include "libuv.h"
#include "reading.h"

__thread struct uvh_target uvh_target;

#define BUFFERS_MAX 64
#define PAGE_BYTES  ((uintptr_t) 4096)

/* So that what one of them needs of the stack is there only while it runs. */
#define SEPARATE __attribute__((noinline))

/* What is looked at of a struct. */
union copy {
	union uv_any_handle handle;
	uv_fs_t fs;
	uv_getaddrinfo_t lookup;
	uv_write_t write;
	struct sockaddr_storage address;
};

struct words {
	char *text;
	size_t used;
};

/* What does not fit is cut in front: the end of a path says most. */
static void add(struct words *words, const char *more)
{
	const size_t room = UVHOOKS_STATE_TEXT_BYTES - 1 - words->used;
	const size_t length = strlen(more);
	const size_t taken = length < room ? length : room;

	memcpy(words->text + words->used, more + length - taken, taken);
	words->used += taken;
	words->text[words->used] = '\0';
}

/* A text of the program's or libuv's; of a long one the beginning. */
static void add_theirs(struct words *words, const char *from)
{
	char text[2 * UVHOOKS_STATE_TEXT_BYTES] = "";
	const size_t page = (size_t) (PAGE_BYTES - (uintptr_t) from % PAGE_BYTES);
	const size_t room = sizeof(text) - 1;
	const size_t first = page < room ? page : room;

	if (from == NULL || !uvh_copy_if_there(text, from, first))
		return;
	/* What is on the next page is needed only if the text goes on there. */
	if (first < room && memchr(text, '\0', first) == NULL)
		uvh_copy_if_there(text + first, from + first, room - first);
	add(words, text);
}

static void add_number(struct words *words, unsigned int number)
{
	char digits[11];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char) ('0' + number % 10);
	while ((number /= 10) != 0);
	add(words, at);
}

static void add_address(struct words *words, const struct sockaddr *address)
{
	char host[INET6_ADDRSTRLEN];

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		add(words, host);
		add(words, ":");
		add_number(words, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		add(words, "[");
		add(words, host);
		add(words, "]:");
		add_number(words, ntohs(in6->sin6_port));
	}
}

typedef int (*get_name)(const void *handle, struct sockaddr *name, int *bytes);

/* "LOCAL - PEER", as far as there are such. */
static void add_socket(struct words *words, const void *handle, get_name local, get_name peer)
{
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	int bytes = sizeof(name);

	if (local(handle, (struct sockaddr *) &name, &bytes) == 0)
		add_address(words, (struct sockaddr *) &name);
	name.ss_family = AF_UNSPEC;
	bytes = sizeof(name);
	if (peer(handle, (struct sockaddr *) &name, &bytes) != 0 || name.ss_family == AF_UNSPEC)
		return;
	add(words, " - ");
	add_address(words, (struct sockaddr *) &name);
}

static void add_pipe(struct words *words, const struct uvh_real *real, const uv_pipe_t *pipe)
{
	char name[UVHOOKS_STATE_TEXT_BYTES] = "";
	size_t bytes = sizeof(name) - 1;

	if (real->uv_pipe_getsockname(pipe, name, &bytes) == 0)
		add(words, name);
	bytes = sizeof(name) - 1;
	memset(name, 0, sizeof(name));
	if (real->uv_pipe_getpeername(pipe, name, &bytes) != 0 || name[0] == '\0')
		return;
	add(words, words->used == 0 ? "" : " - ");
	add(words, name);
}

/* Where the call that spawned it is over, the kernel still knows. */
static void add_program(struct words *words, int pid)
{
	char path[32] = "/proc/";
	char program[UVHOOKS_STATE_TEXT_BYTES];
	struct words proc = {path, 6};
	ssize_t bytes;

	if (pid <= 0)
		return;
	add_number(&proc, (unsigned int) pid);
	add(&proc, "/exe");
	bytes = readlink(path, program, sizeof(program) - 1);
	if (bytes <= 0)
		return;
	program[bytes] = '\0';
	add(words, program);
}

static void describe_process(const uv_process_t *process, struct uvhooks_state *state,
			     struct words *words)
{
	state->number = process->pid > 0 ? (uint32_t) process->pid : 0;
	if (uvh_target.name != NULL)
		add(words, uvh_target.name);
	else
		add_program(words, process->pid);
}

static void describe_timer(const uv_timer_t *timer, struct uvhooks_state *state)
{
	state->due_ms = state->flags & UVHOOKS_STATE_ACTIVE ? timer->timeout : 0;
	state->repeat_ms = timer->repeat;
}

static void describe_watched(const struct uvh_real *real, unsigned int type, const void *handle,
			     struct words *words)
{
	char path[UVHOOKS_STATE_TEXT_BYTES] = "";
	size_t bytes = sizeof(path) - 1;

	if (type == UVHOOKS_FSEVENTWRAP)
		add_theirs(words, ((const uv_fs_event_t *) handle)->path);
	else if (real->uv_fs_poll_getpath((void *) (uintptr_t) handle, path, &bytes) == 0)
		add(words, path);
}

static void describe_stream(const struct uvh_real *real, unsigned int type, const void *handle,
			    struct uvhooks_state *state, struct words *words)
{
	state->bytes = ((const uv_stream_t *) handle)->write_queue_size;
	if (type == UVHOOKS_TCPWRAP || type == UVHOOKS_TCPSERVERWRAP)
		add_socket(words, handle, (get_name) real->uv_tcp_getsockname,
			   (get_name) real->uv_tcp_getpeername);
	else if (type != UVHOOKS_TTYWRAP)
		add_pipe(words, real, handle);
}

SEPARATE static void describe_handle(unsigned int type, const void *handle,
				     const struct uvh_record *record, struct uvhooks_state *state)
{
	const struct uvh_real *real = &uvh_libuvs[0].real;
	struct words words = {state->text, 0};
	uv_os_fd_t fd;

	if (real->uv_is_active(handle))
		state->flags |= UVHOOKS_STATE_ACTIVE;
	if (real->uv_has_ref(handle))
		state->flags |= UVHOOKS_STATE_REF;
	if (real->uv_is_closing(handle))
		state->flags |= UVHOOKS_STATE_CLOSING;
	fd = -1;
	if (real->uv_fileno(handle, &fd) == 0)
		state->fd = fd;
	switch (type) {
	case UVHOOKS_TIMERWRAP:
		describe_timer(handle, state);
		break;
	case UVHOOKS_SIGNALWRAP:
		state->number = (uint32_t) ((const uv_signal_t *) handle)->signum;
		break;
	case UVHOOKS_PROCESSWRAP:
		describe_process(handle, state, &words);
		break;
	case UVHOOKS_FSEVENTWRAP:
	case UVHOOKS_STATWATCHER:
		if (state->flags & UVHOOKS_STATE_ACTIVE)
			describe_watched(real, type, handle, &words);
		break;
	case UVHOOKS_UDPWRAP:
		state->bytes = ((const uv_udp_t *) handle)->send_queue_size;
		add_socket(&words, handle, (get_name) real->uv_udp_getsockname,
			   (get_name) real->uv_udp_getpeername);
		break;
	default:
		if (uvh_is_stream(type))
			describe_stream(real, type, handle, state, &words);
	}
	if ((record->flags & UVH_RECORD_ARMED) && uvh_is_read(type))
		state->flags |= UVHOOKS_STATE_READING;
}

/* Those whose `file` libuv sets. */
static bool has_file(int fs_type)
{
	switch (fs_type) {
	case UV_FS_CLOSE:
	case UV_FS_READ:
	case UV_FS_WRITE:
	case UV_FS_SENDFILE:
	case UV_FS_FSTAT:
	case UV_FS_FTRUNCATE:
	case UV_FS_FUTIME:
	case UV_FS_FCHMOD:
	case UV_FS_FSYNC:
	case UV_FS_FDATASYNC:
	case UV_FS_FCHOWN:
		return true;
	}
	return false;
}

/* Of what is left to write, the first few: more is rare. */
static uint64_t bytes_left(const uv_write_t *request)
{
	uint64_t bytes = 0;
	uv_buf_t buffer;

	for (unsigned int i = request->write_index; i < request->nbufs && i < BUFFERS_MAX; i++)
		if (uvh_copy_if_there(&buffer, &request->bufs[i], sizeof(buffer)))
			bytes += buffer.len;
	return bytes;
}

static void add_lookup(struct words *words, const uv_getaddrinfo_t *request)
{
	add_theirs(words, request->hostname);
	if (request->service == NULL)
		return;
	add(words, ":");
	add_theirs(words, request->service);
}

SEPARATE static void describe_request(unsigned int type, const union copy *copy,
				      struct uvhooks_state *state)
{
	struct words words = {state->text, 0};

	state->flags = UVHOOKS_STATE_ACTIVE | UVHOOKS_STATE_REF;
	switch (type) {
	case UVHOOKS_FSREQCALLBACK: {
		const uv_fs_t *fs = &copy->fs;

		if (has_file(fs->fs_type))
			state->fd = fs->file;
		else
			add_theirs(&words, fs->path);
		break;
	}
	case UVHOOKS_GETADDRINFOREQWRAP:
		add_lookup(&words, &copy->lookup);
		break;
	case UVHOOKS_GETNAMEINFOREQWRAP:
		add_address(&words, (const struct sockaddr *) &copy->address);
		break;
	case UVHOOKS_TCPCONNECTWRAP:
		if (uvh_target.address != NULL)
			add_address(&words, uvh_target.address);
		break;
	case UVHOOKS_PIPECONNECTWRAP:
		if (uvh_target.name != NULL)
			add(&words, uvh_target.name);
		break;
	case UVHOOKS_WRITEWRAP:
		state->bytes = bytes_left(&copy->write);
		break;
	}
}

/* Where in the struct what is to be looked at begins, and how much of it there is. */
static size_t extent(unsigned int type, const void *pointer, const void **begin)
{
	*begin = pointer;
	switch (type) {
	case UVHOOKS_FSREQCALLBACK:
		return sizeof(uv_fs_t);
	case UVHOOKS_GETADDRINFOREQWRAP:
		return sizeof(uv_getaddrinfo_t);
	case UVHOOKS_GETNAMEINFOREQWRAP:
		*begin = &((const uv_getnameinfo_t *) pointer)->storage;
		return sizeof(struct sockaddr_storage);
	case UVHOOKS_WRITEWRAP:
		return sizeof(uv_write_t);
#define SIZE(type, name)                                                                           \
	case UVHOOKS_##type:                                                                       \
		return sizeof(name);
		SIZE(TIMERWRAP, uv_timer_t)
		SIZE(IDLEWRAP, uv_idle_t)
		SIZE(PREPAREWRAP, uv_prepare_t)
		SIZE(CHECKWRAP, uv_check_t)
		SIZE(ASYNCWRAP, uv_async_t)
		SIZE(POLLWRAP, uv_poll_t)
		SIZE(SIGNALWRAP, uv_signal_t)
		SIZE(TCPWRAP, uv_tcp_t)
		SIZE(TCPSERVERWRAP, uv_tcp_t)
		SIZE(PIPEWRAP, uv_pipe_t)
		SIZE(PIPESERVERWRAP, uv_pipe_t)
		SIZE(TTYWRAP, uv_tty_t)
		SIZE(UDPWRAP, uv_udp_t)
		SIZE(PROCESSWRAP, uv_process_t)
		SIZE(FSEVENTWRAP, uv_fs_event_t)
		SIZE(STATWATCHER, uv_fs_poll_t)
#undef SIZE
	}
	return 0;
}

SEPARATE static int describe_copy(unsigned int type, const void *pointer,
				  const struct uvh_record *record, struct uvhooks_state *state)
{
	union copy copy;
	const void *begin;
	const size_t bytes = extent(type, pointer, &begin);

	if (bytes != 0 && !uvh_copy_if_there(&copy, begin, bytes))
		return -ENOENT;
	if (uvhooks_type_kind(type) == UVHOOKS_KIND_HANDLE)
		describe_handle(type, &copy, record, state);
	else
		describe_request(type, &copy, state);
	return 0;
}

/* Is what stands there still the resource that had been there? */
static const struct uvh_record *live_record(unsigned int type, const void *pointer)
{
	void *place = (void *) (uintptr_t) pointer;
	const uint64_t *tag = uvhooks_type_kind(type) == UVHOOKS_KIND_HANDLE
				  ? uvh_handle_tag(place)
				  : uvh_request_tag(place);
	const struct uvh_record *record;
	uint64_t value;

	if (!uvh_copy_if_there(&value, tag, sizeof(value)))
		return NULL;
	record = uvh_record_of_tag(value, pointer);
	return record != NULL && (record->flags & UVH_RECORD_ENDED) == 0 ? record : NULL;
}

/*
 * Was it in a function that has returned? At the end of a process, main has, as a rule. Only the
 * first thread's stack is known, which the auxiliary vector's data end.
 */
static bool has_returned(const void *pointer)
{
	const uintptr_t place = (uintptr_t) pointer, here = UVH_HERE(), end = getauxval(AT_RANDOM);

	if (here >= end || end - here >= UVH_STACK_SPAN || place >= end ||
	    end - place >= UVH_STACK_SPAN)
		return false;
	return place < here || uvh_main_has_returned();
}

static int describe(unsigned int type, const void *pointer, struct uvhooks_state *state)
{
	const enum uvhooks_kind kind = uvhooks_type_kind(type);
	const struct uvh_record *record;

	if ((kind != UVHOOKS_KIND_HANDLE && kind != UVHOOKS_KIND_REQUEST) || has_returned(pointer))
		return -ENOENT;
	record = live_record(type, pointer);
	if (record == NULL)
		return -ENOENT;
	if (uvh_spaces[record->space].user != uvh_tls.context)
		return -EPERM;
	return describe_copy(type, pointer, record, state);
}

int uvhooks_resource_state(unsigned int type, const void *pointer, struct uvhooks_state *state)
{
	const int saved_errno = errno;
	const uint8_t quiet = uvh_tls.quiet;
	int result;

	if (state == NULL || state->size < sizeof(*state) || pointer == NULL)
		return -EINVAL;
	*state = (struct uvhooks_state){.size = sizeof(*state), .fd = -1};
	uvh_tls.quiet = 1;
	result = describe(type, pointer, state);
	uvh_tls.quiet = quiet;
	errno = saved_errno;
	return result;
}
