#include "media/av.h"

#include <dlfcn.h>
#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SONAME(name, version) "lib" name ".so." TEXT(version)

static ts_status open_library(const char *name, void **out)
{
    *out = dlopen(name, RTLD_NOW | RTLD_LOCAL); /* stays: it cannot be unloaded safely */
    return *out ? TS_OK
                : ts_error(TS_ERR_USER, "clips and sounds need FFmpeg's libraries: %s. On Debian: apt-get install ffmpeg", dlerror());
}

static ts_status find_call(void *library, const char *name, void *call)
{
    void *found = dlsym(library, name);
    if (!found)
        return ts_error(TS_ERR_USER, "clips and sounds: FFmpeg's libraries have no %s", name);
    memcpy(call, &found, sizeof found);
    return TS_OK;
}

ts_status ts_av_load(ts_av_calls *out)
{
    void *library;
#define FIND(name) TS_TRY(find_call(library, #name, &out->name));
    TS_TRY(open_library(SONAME("avutil", LIBAVUTIL_VERSION_MAJOR), &library));
    TS_AV_UTIL(FIND)
    TS_TRY(open_library(SONAME("avcodec", LIBAVCODEC_VERSION_MAJOR), &library));
    TS_AV_CODEC(FIND)
    TS_TRY(open_library(SONAME("avformat", LIBAVFORMAT_VERSION_MAJOR), &library));
    TS_AV_FORMAT(FIND)
    TS_TRY(open_library(SONAME("swscale", LIBSWSCALE_VERSION_MAJOR), &library));
    TS_AV_SCALE(FIND)
#undef FIND
    return TS_OK;
}
