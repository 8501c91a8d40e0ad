/* SPDX-License-Identifier: MIT */
/*
 * JSON on stdout, for programs. `key` is NULL for what stands in an array. Texts that are no UTF-8
 * are made so. What could not be written is noticed when the verb has ended.
 */
#ifndef UVH_JSON_H
#define UVH_JSON_H

#include <stdbool.h>
#include <uvhooks/types.h>

struct uvh_json;

struct uvh_json *uvh_json_new(void);
void uvh_json_free(struct uvh_json *json); /* ends the line, too */

void uvh_json_object(struct uvh_json *json, const char *key);
void uvh_json_object_end(struct uvh_json *json);
void uvh_json_array(struct uvh_json *json, const char *key);
void uvh_json_array_end(struct uvh_json *json);

void uvh_json_text(struct uvh_json *json, const char *key, const char *text); /* NULL: null */
void uvh_json_number(struct uvh_json *json, const char *key, int64_t number);
void uvh_json_fraction(struct uvh_json *json, const char *key, double number); /* six digits */
void uvh_json_bool(struct uvh_json *json, const char *key, bool yes);
void uvh_json_id(struct uvh_json *json, const char *key, uvhooks_async_id id); /* "1:7" */

#endif
