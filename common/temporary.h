/* Half-made files, which are to be gone if a signal ends the process.
 *
 * Who writes a file under a temporary name names it here, and takes the name back before it is renamed or removed, and
 * before the string is freed. The list is the process's own, since a signal is; any thread. */
#ifndef ACTSCOPE_COMMON_TEMPORARY_H
#define ACTSCOPE_COMMON_TEMPORARY_H

/* path is kept, not copied. Beyond a few at one time, or NULL: nothing is done. */
void temporary_add(const char *path);
void temporary_drop(const char *path);

/* Removes those that are named; a signal handler may call it. Not in a child of fork. */
void temporary_remove_all(void);

#endif
