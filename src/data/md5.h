/* MD5 of a text, for names: RFC 1321. */
#ifndef TS_DATA_MD5_H
#define TS_DATA_MD5_H
#include <stddef.h>

/* 32 hexadecimal digits and a zero into out. */
void ts_md5_hex(const void *data, size_t n, char out[33]);
#endif
