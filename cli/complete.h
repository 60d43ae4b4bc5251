/* What a shell may put in place of a word that is being typed: `actscope __complete', which completions/ call.
 *
 * The words of the command line follow, the program's name first, the one that is typed last (it may be empty). On standard
 * output, a line for each candidate, whole, with a tab and what it is for behind it if that is known; then what else
 * would do, each a line of its own:
 *   :files      names of files
 *   :program N  a command line of another program, which begins with word N (from 0)
 *   :nospace    more may follow in the same word
 * All of it comes from the options' own tables. */
#ifndef ACTSCOPE_CLI_COMPLETE_H
#define ACTSCOPE_CLI_COMPLETE_H

#define COMPLETE_COMMAND "__complete"

/* The exit status. */
int complete(int count, char *const *words);

#endif
