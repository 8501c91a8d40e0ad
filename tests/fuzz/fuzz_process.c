/* SPDX-License-Identifier: MIT */
/*
 * Whatever is in the memory of a process where the control block of the shim should be, who looks
 * into it comes to an end, reads nothing outside of its own memory, and harms only the process that
 * it looks into.
 *
 * That process is a child, into which a file called libuvhooks.so is mapped; its first bytes are
 * the input, from its second byte on. The first says which parts are put right, so that what lies
 * behind them is reached. The child answers all requests. With FUZZ_SEEDS set to a folder, seeds
 * are written to it, and nothing else is done.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define BYTES      65536
#define BASE       0x20000000UL /* where it is mapped: below the shadow of ASan */
#define TIMEOUT_NS 2000000

enum { PUT_MAGIC = 1, PUT_PID = 2, PUT_STATE = 4, ANSWER = 8 };

static unsigned char *memory;
static char path[4096];
static pid_t child;
static int event_fd;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void remove_file(void)
{
	if (child > 0)
		kill(child, SIGKILL);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

/* The offset of its own answer is that of a field: what the input says of it is of no use here. */
static void answer_for_ever(void)
{
	const struct timespec time = {.tv_nsec = 100000};
	volatile struct uvhooks_control *control = (void *) memory;
	int silent = open("/dev/null", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	dup2(silent, STDERR_FILENO);
	for (;;) {
		if (memory[BYTES - 1] & ANSWER)
			control->answered = control->request;
		nanosleep(&time, NULL);
	}
}

static void start_child(void)
{
	child = fork();
	if (child < 0)
		abort();
	if (child == 0)
		answer_for_ever();
}

static void map_file(void)
{
	const char *parent = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%.3000s/fuzz-process-XXXXXX",
		 parent == NULL ? "/tmp" : parent);
	if (mkdtemp(path) == NULL)
		abort();
	strcat(path, "/libuvhooks.so");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, BYTES) != 0)
		abort();
	memory = mmap((void *) BASE, BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (memory != (void *) BASE)
		abort();
	close(fd);
	event_fd = eventfd(0, EFD_NONBLOCK);
	atexit(remove_file);
}

/* What a process would look like that has two records, a loop that runs a callback, and an area. */
static void make_seed(void)
{
	struct uvhooks_control *control = (void *) memory;
	struct uvhooks_control_record *records = (void *) (memory + 8192);
	struct uvhooks_control_loop *loops = (void *) (memory + 1024);
	struct uvhooks_control_frame *frame = (void *) (memory + 1536);
	struct uvhooks_control_area *areas = (void *) (memory + 2048);
	uint64_t *words = (void *) (memory + 3072);
	uint32_t *numbers = (void *) (memory + 4000);

	memset(memory, 0, BYTES);
	memcpy(control->magic, UVHOOKS_CONTROL_MAGIC, sizeof(control->magic));
	control->abi = UVHOOKS_CONTROL_ABI;
	control->size = sizeof(*control);
	strcpy(control->plugins, "log,recorder");
	control->counters = BASE + 512;
	control->counter_count = 8;
	control->record_bytes = sizeof(*records);
	control->segments = BASE + 3072;
	control->record_limit = BASE + 4000;
	control->segment_bits = 5;
	control->loop_count = 2;
	control->loops = BASE + 1024;
	control->hook_set = BASE + 3072;
	control->type_names = BASE + 3088;
	control->areas = BASE + 2048;
	control->area_count = 2;
	control->request_text = BASE + 12288;
	control->answer_text = BASE + 16384;
	words[0] = BASE + 8192; /* the segment */
	words[2] = BASE + 3096; /* the names of types, and the first of them */
	words[3] = BASE + 3200;
	words[4] = BASE + 1536; /* a context */
	strcpy((char *) memory + 3200, "a type");
	strcpy((char *) memory + 16384,
	       "libuv: 1.44.2 /x\nplugin: log said\nhook: 1 enabled log\n");
	numbers[0] = 3;
	numbers[1] = (uint32_t) event_fd;
	for (uint32_t i = 1; i < 3; i++)
		records[i] = (struct uvhooks_control_record){
		    .pointer = BASE,
		    .index = i,
		    .async_id = i + 1,
		    .type = i == 1 ? UVHOOKS_TIMERWRAP : UVHOOKS_TYPE_NAMED,
		};
	loops[0] = (struct uvhooks_control_loop){
	    .loop = BASE,
	    .waker_pending = BASE + 4008,
	    .wake_fd = BASE + 4004,
	    .user = BASE + 3112,
	};
	frame->async_id = 2;
	*(uint64_t *) (void *) frame = BASE + 1544; /* the context's first word: its frame */
	*(struct uvhooks_control_frame *) (void *) (memory + 1544) =
	    (struct uvhooks_control_frame){2, 1, BASE + 8192 + sizeof(*records), BASE};
	strcpy(areas[0].name, "meter");
	areas[0].address = BASE + 4096;
	areas[0].bytes = 128;
}

static void write_seeds(const char *folder)
{
	static const unsigned char flags[] = {PUT_MAGIC | PUT_PID | PUT_STATE,
					      PUT_MAGIC | PUT_PID | PUT_STATE | ANSWER, 0};

	for (size_t i = 0; i < sizeof(flags); i++) {
		char name[4096];
		FILE *file;

		snprintf(name, sizeof(name), "%s/seed-%zu", folder, i);
		make_seed();
		file = fopen(name, "we");
		if (file == NULL || fwrite(&flags[i], 1, 1, file) != 1 ||
		    fwrite(memory, 1, 20480, file) != 20480 || fclose(file) != 0)
			abort();
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *seeds = getenv("FUZZ_SEEDS");

	(void) argc;
	(void) argv;
	map_file();
	if (seeds == NULL)
		return 0;
	write_seeds(seeds);
	exit(0);
}

static size_t count;

static void see_record(const struct uvhooks_control_record *record, void *data)
{
	(void) data;
	count += record->async_id != 0;
}

static void see_loop(const struct uvhooks_control_loop *loop,
		     const struct uvhooks_control_frame *frame, void *data)
{
	char text[UVH_PROCESS_DOES_BYTES];

	count += loop->loop != 0 && uvh_process_does(data, frame, text)[0] != '\0';
}

/* All that there is to see; then a request. */
static void look(struct uvh_process *process, unsigned char flags)
{
	static char answer[UVHOOKS_CONTROL_ANSWER_BYTES];
	struct uvhooks_control_area area;
	struct uvhooks_control control;
	int status;

	if (uvh_process_control(process, &control))
		count += strlen(control.version) + strlen(control.libuv) + strlen(control.plugins);
	uvh_process_each_record(process, see_record, NULL);
	uvh_process_each_loop(process, see_loop, process);
	for (unsigned int type = UVHOOKS_TYPE_NAMED - 1; type < UVHOOKS_TYPE_NAMED + 4; type++)
		count += strlen(uvh_process_type_name(process, type));
	for (size_t i = 0; i < 40; i++)
		count += uvh_process_counter(process, i) != 0;
	count += uvh_process_area(process, "meter", &area);
	memset(answer, 'x', sizeof(answer));
	uvh_process_request(process, "status", flags & ANSWER ? 50 * TIMEOUT_NS : TIMEOUT_NS,
			    &status, answer);
	if (strnlen(answer, sizeof(answer)) == sizeof(answer))
		abort();
}

static void put_right(unsigned char flags)
{
	struct uvhooks_control *control = (void *) memory;

	if (flags & PUT_MAGIC) {
		memcpy(control->magic, UVHOOKS_CONTROL_MAGIC, sizeof(control->magic));
		control->abi = UVHOOKS_CONTROL_ABI;
		control->size = sizeof(*control);
	}
	if (flags & PUT_PID)
		control->pid = child;
	if (flags & PUT_STATE)
		control->state |= UVHOOKS_CONTROL_ALIVE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[UVH_PROCESS_ERROR_BYTES];
	struct uvh_process *process;

	if (size < 2 || size > BYTES - 1)
		return 0;
	/* What was written into it may have ended it. */
	if (child <= 0 || waitpid(child, NULL, WNOHANG) == child)
		start_child();
	memset(memory, 0, BYTES);
	memcpy(memory, data + 1, size - 1);
	memory[BYTES - 1] = data[0];
	put_right(data[0]);
	if (uvh_process_open(&process, child, true, error) == UVH_PROCESS_FOUND)
		look(process, data[0]);
	else if (error[0] == '\0' || process != NULL)
		abort();
	uvh_process_close(process);
	return 0;
}
