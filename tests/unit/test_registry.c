/* SPDX-License-Identifier: MIT */
/* Tags: what is believed, and what is not. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "registry.h"

static void check_tags(void)
{
	struct uvh_records records = {0};
	struct uvh_record *record = uvh_records_take(&records);
	uv_timer_t owner, copy;
	uint64_t tag;

	memset(&owner, 0xA5, sizeof(owner));
	CHECK(uvh_record_of_handle(&owner) == NULL);
	record->owner = &owner;
	tag = uvh_record_tag(record);
	*uvh_handle_tag(&owner) = tag;
	CHECK(uvh_record_of_handle(&owner) == record);
	/* A copy of the struct is not the struct. */
	memcpy(&copy, &owner, sizeof(copy));
	CHECK(uvh_record_of_handle(&copy) == NULL);
	CHECK(uvh_record_by_search(&owner) == record);
	/* The struct is the program's again. */
	uvh_record_end(record);
	CHECK(uvh_record_of_handle(&owner) == NULL);
	CHECK(uvh_record_by_search(&owner) == NULL);
	uvh_records_give(&records, record);
	/* The same record for the same struct is a new life. */
	CHECK(uvh_records_take(&records) == record);
	record->owner = &owner;
	CHECK(uvh_record_of_tag(tag, &owner) == NULL);
	CHECK(uvh_record_of_tag(uvh_record_tag(record), &owner) == record);
	uvh_records_give(&records, record);
}

/* Any 64 bits in a reserved word are harmless. */
static void check_garbage(void)
{
	uv_req_t request;
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 1000000; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		*uvh_request_tag(&request) = i % 2 == 0 ? state : state % 4096;
		if (uvh_record_of_request(&request) != NULL)
			CHECK(!"garbage was believed");
	}
}

/* Records that are alive at one time are distinct, and what is returned is used again. */
static void check_pool(void)
{
	enum { COUNT = 20000 };
	struct uvh_records one = {0}, other = {0};
	struct uvh_record **taken = calloc(COUNT, sizeof(*taken));
	uint32_t limit = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++) {
			taken[i] = uvh_records_take(i % 2 == 0 ? &one : &other);
			CHECK(taken[i] != NULL && taken[i]->owner == NULL);
			taken[i]->owner = &taken[i];
		}
		for (int i = 0; i < COUNT; i++)
			CHECK(taken[i]->owner == &taken[i]);
		for (int i = 0; i < COUNT; i++)
			uvh_records_give(i % 3 == 0 ? &one : &other, taken[i]);
		if (round == 0)
			limit = uvh_record_limit;
		uvh_records_return(&one);
		uvh_records_return(&other);
		CHECK_EQUAL(one.free, 0);
	}
	CHECK_EQUAL(uvh_record_limit, limit);
	free(taken);
}

int main(void)
{
	check_tags();
	check_garbage();
	check_pool();
	CHECK_DONE();
}
