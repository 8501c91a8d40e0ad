/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "ground.h"

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void uvh_lock(void)
{
	pthread_mutex_lock(&lock);
}

void uvh_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void uvh_lock_forked(void)
{
	/* It belongs to the thread id of the parent: the child cannot unlock it, only make it anew.
	 */
	lock = (pthread_mutex_t) PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}
