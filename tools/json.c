/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "memory.h"
#include "terminal.h"

struct uvh_json {
	yajl_gen gen;
};

static void print(void *data, const char *text, size_t bytes)
{
	(void) data;
	fwrite(text, 1, bytes, stdout);
}

struct uvh_json *uvh_json_new(void)
{
	struct uvh_json *json = uvh_zeros(1, sizeof(*json));

	json->gen = uvh_or_end(yajl_gen_alloc(NULL));
	yajl_gen_config(json->gen, yajl_gen_print_callback, print, NULL);
	yajl_gen_config(json->gen, yajl_gen_beautify, 1);
	yajl_gen_config(json->gen, yajl_gen_indent_string, " ");
	return json;
}

void uvh_json_free(struct uvh_json *json)
{
	yajl_gen_free(json->gen);
	free(json);
}

static void put_text(struct uvh_json *json, const char *text)
{
	yajl_gen_string(json->gen, (const unsigned char *) text, strlen(text));
}

static void put_key(struct uvh_json *json, const char *key)
{
	if (key != NULL)
		put_text(json, key);
}

void uvh_json_object(struct uvh_json *json, const char *key)
{
	put_key(json, key);
	yajl_gen_map_open(json->gen);
}

void uvh_json_object_end(struct uvh_json *json)
{
	yajl_gen_map_close(json->gen);
}

void uvh_json_array(struct uvh_json *json, const char *key)
{
	put_key(json, key);
	yajl_gen_array_open(json->gen);
}

void uvh_json_array_end(struct uvh_json *json)
{
	yajl_gen_array_close(json->gen);
}

void uvh_json_text(struct uvh_json *json, const char *key, const char *text)
{
	size_t room;
	char *clean;

	put_key(json, key);
	if (text == NULL) {
		yajl_gen_null(json->gen);
		return;
	}
	room = strlen(text) + 1;
	clean = uvh_resize(NULL, room, 1);
	put_text(json, uvh_clean_text(text, false, clean, room));
	free(clean);
}

void uvh_json_number(struct uvh_json *json, const char *key, int64_t number)
{
	put_key(json, key);
	yajl_gen_integer(json->gen, number);
}

void uvh_json_fraction(struct uvh_json *json, const char *key, double number)
{
	char text[64];

	put_key(json, key);
	snprintf(text, sizeof(text), "%.6f", number);
	yajl_gen_number(json->gen, text, strlen(text));
}

void uvh_json_bool(struct uvh_json *json, const char *key, bool yes)
{
	put_key(json, key);
	yajl_gen_bool(json->gen, yes);
}

void uvh_json_id(struct uvh_json *json, const char *key, uvhooks_async_id id)
{
	char text[UVHOOKS_ID_TEXT_BYTES];

	put_key(json, key);
	put_text(json, uvhooks_id_text(id, text));
}
