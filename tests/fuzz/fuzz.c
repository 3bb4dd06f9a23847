#include "fuzz.h"

#include "base/file.h"
#include "base/log.h"

static char folder[FUZZ_PATH / 2];

static void remove_folder(void) { (void)!ts_remove_tree(folder); }

const char *fuzz_folder(void)
{
    if (!*folder) {
        const char *base = getenv("TMPDIR");
        if (!base || !*base)
            base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        if (snprintf(folder, sizeof folder, "%s/tessera-fuzz-XXXXXX", base) >=
                (int)sizeof folder || !mkdtemp(folder) || atexit(remove_folder))
            abort();
    }
    return folder;
}

/* Messages are made, but nobody reads them. */
static void nobody(void *ctx, ts_log_level level, const char *text)
{
    (void)ctx, (void)level, (void)text;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ts_log_to(TS_LOG_DEBUG, nobody, NULL);
    return 0;
}
