/* allocations.h - an allocator that fails when it is told to, and counts what is not freed: glibc's
 * with a counter before it. For one file of a program; not under the sanitizers, which have an
 * allocator of their own. */
#ifndef BP_TESTS_ALLOCATIONS_H
#define BP_TESTS_ALLOCATIONS_H

#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

/* Visible, so that the shared libraries below take these too. */
__attribute__((visibility("default"))) void *malloc(size_t size);
__attribute__((visibility("default"))) void *calloc(size_t count, size_t size);
__attribute__((visibility("default"))) void *realloc(void *old, size_t size);
__attribute__((visibility("default"))) void free(void *old);

static long until_failure = -1; /* allocations that still succeed; -1: all do */
static long live;               /* blocks not freed */
static int has_failed;
static int
    own_only; /* what shared libraries allocate, drivers above all, neither fails nor counts */

/* The program's code, from the linker; what it calls returns to in between. */
extern const char __executable_start[], etext[];

static int counts(const void *caller)
{
    return !own_only ||
           ((const char *)caller >= __executable_start && (const char *)caller < etext);
}

static int allocation_fails(void)
{
    if (until_failure < 0 || until_failure-- > 0) return 0;
    has_failed = 1;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    if (!counts(__builtin_return_address(0))) return __libc_malloc(size);
    if (allocation_fails()) return NULL;
    void *made = __libc_malloc(size);
    live += made != NULL;
    return made;
}

void *calloc(size_t count, size_t size)
{
    if (!counts(__builtin_return_address(0))) return __libc_calloc(count, size);
    if (allocation_fails()) return NULL;
    void *made = __libc_calloc(count, size);
    live += made != NULL;
    return made;
}

void *realloc(void *old, size_t size)
{
    if (!counts(__builtin_return_address(0))) return __libc_realloc(old, size);
    if (allocation_fails()) return NULL;
    void *made = __libc_realloc(old, size);
    live += made != NULL && !old;
    return made;
}

void free(void *old)
{
    if (counts(__builtin_return_address(0))) live -= old != NULL;
    __libc_free(old);
}

#endif
