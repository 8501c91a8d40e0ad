/* SPDX-License-Identifier: MIT */
/* Child processes. */
#include "wrap.h"

static void tramp_exit(uv_process_t *process, int64_t exit_status, int term_signal)
{
	UVH_SCOPE(scope);
	uv_exit_cb callback = (uv_exit_cb) uvh_enter_handle(&scope, process, 0);

	if (callback != NULL)
		callback(process, exit_status, term_signal);
	scope.returned = true;
}

/*
 * A spawn that fails leaves a handle that must be closed all the same: it is a resource, flagged.
 * The options are the program's; only a copy gets our trampoline.
 */
UVH_EXPORT int uv_spawn(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options)
{
	UVH_ENTER();
	uv_process_options_t swapped;
	int result;

	if (pass || options == NULL)
		return UVH_CALL(real->uv_spawn(loop, handle, options));
	swapped = *options;
	swapped.exit_cb = UVH_SWAP(options->exit_cb, tramp_exit);
	result = UVH_CALL(real->uv_spawn(loop, handle, &swapped));
	uvh_set_target(NULL, options->file);
	if (uvh_handle_made(UVH_HERE(), loop, handle, UVHOOKS_PROCESSWRAP,
			    (void *) options->exit_cb,
			    result == 0 ? 0 : UVHOOKS_FLAG_FAILED) == NULL &&
	    result == 0)
		handle->exit_cb = options->exit_cb; /* no record to find it by */
	uvh_clear_target();
	return result;
}
