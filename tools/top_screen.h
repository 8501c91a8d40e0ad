/* SPDX-License-Identifier: MIT */
/* The screen of `uvhooks top`: what is shown, and what keys change of it. */
#ifndef UVH_TOP_SCREEN_H
#define UVH_TOP_SCREEN_H

#include "top.h"

#define UVH_TOP_FILTER_BYTES 128

/*
 * Invariant: `selected` and `first` are rows of `table`, or 0 where it is empty; `selected` is on
 * the screen once it was drawn.
 */
struct uvh_top_ui {
	struct uvh_top *top;
	struct uvh_top_style *style;
	enum uvh_top_view view;
	struct uvh_top_table table; /* of the view */
	size_t selected, first;
	size_t page;              /* so many rows there were room for */
	struct uvh_top_text text; /* what is shown instead: help, or a resource */
	enum { UVH_TOP_SHOWS_TABLE, UVH_TOP_SHOWS_RESOURCE, UVH_TOP_SHOWS_HELP } shows;
	uvhooks_async_id id; /* the resource */
	bool resource_gone;
	bool is_editing; /* the filter */
	char filter[UVH_TOP_FILTER_BYTES];
	bool is_paused;
	bool is_gone; /* the process */
	bool leaves;
};

/* top_draw.c */
void uvh_top_draw_begin(void);
void uvh_top_draw(struct uvh_top_ui *ui);

/* top_keys.c: does what a key stands for. */
void uvh_top_key(struct uvh_top_ui *ui, int key);

/* top_screen.c: what is shown is made anew from the frame. */
void uvh_top_refresh(struct uvh_top_ui *ui);

#endif
