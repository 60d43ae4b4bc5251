/* What every HTML page carries: its style sheet (page.css) and its script (page.js), put here at build time. */
#ifndef ACTSCOPE_REPORTS_PAGE_ASSETS_H
#define ACTSCOPE_REPORTS_PAGE_ASSETS_H

extern const char page_style[], page_script[]; /* NUL at the end */

#endif
