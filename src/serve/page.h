/* The page for chatting: page.html. */
#ifndef TS_SERVE_PAGE_H
#define TS_SERVE_PAGE_H
#include <stddef.h>

extern const char ts_serve_page[];
extern const size_t ts_serve_page_size;
#endif
