#include "dist/world.h"

#include "dist/comm_mpi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t env_number(const char *name)
{
    const char *s = getenv(name);
    if (!s || !*s)
        return -1;
    char *end;
    errno = 0;
    const long long v = strtoll(s, &end, 10);
    return errno || *end || v < 0 || v > INT32_MAX ? -1 : v;
}

/* Processes that a launcher says it started: 0 when there is no launcher, -1 when it does not say;
 * and this one's number.
 * The launchers speak through the environment alone, which is why it is read here and not in cli/.
 * Slurm's variables are also set in the batch script itself: only those of a step count. */
static int64_t launched_processes(const char **launcher, int64_t *rank)
{
    static const struct {
        const char *rank, *size, *launcher;
    } known[] = {
        { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun (Open MPI)" },
        { "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "mpirun (MVAPICH)" },
        { "PMI_RANK", "PMI_SIZE", "mpirun (PMI)" },
        { "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun" },
        { "PMIX_RANK", NULL, "a PMIx launcher" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (env_number(known[i].rank) < 0)
            continue;
        const int64_t n = known[i].size ? env_number(known[i].size) : -1;
        if (n < 0 && known[i].size)
            continue;
        *launcher = known[i].launcher, *rank = env_number(known[i].rank);
        return n;
    }
    *rank = 0;
    return 0;
}

int64_t ts_comm_launched(int64_t *rank)
{
    const char *launcher;
    const int64_t n = launched_processes(&launcher, rank);
    return n > 0 ? n : 1;
}

ts_status ts_comm_world(ts_comm **out)
{
    const char *launcher = "";
    int64_t rank;
    const int64_t n = launched_processes(&launcher, &rank);
    if (n == 0 || n == 1)
        return ts_comm_self_create(out);
#if TESSERA_HAVE_MPI
    ts_status st = ts_comm_mpi_world(n > 0 ? n : 0, true, out);
    if (st == TS_ERR_USER)
        st = ts_error_context(st, "the launcher is %s", launcher);
    return st;
#else
    if (n < 0)
        return ts_comm_self_create(out);
    return ts_error(
        TS_ERR_USER,
        "%s started %lld processes, but this program was built without MPI and each would run "
        "the whole job: start one process, or build with an MPI (cmake -DTESSERA_MPI=ON, on "
        "Debian after apt-get install libopenmpi-dev)",
        launcher, (long long)n);
#endif
}

void ts_comm_finish(ts_comm **world, bool failed)
{
    if (!*world)
        return;
#if TESSERA_HAVE_MPI
    if (strcmp((*world)->kind, "mpi") == 0 || strcmp((*world)->kind, "shm") == 0) {
        ts_comm_mpi_finish(world, failed);
        return;
    }
#endif
    (void)failed; /* alone: there is nobody to take down */
    ts_comm_destroy(world);
}

bool ts_comm_meet(const ts_comm *world, double seconds)
{
#if TESSERA_HAVE_MPI
    if (world && world->size > 1 && (!strcmp(world->kind, "mpi") || !strcmp(world->kind, "shm")))
        return ts_comm_mpi_meet(seconds);
#endif
    (void)world, (void)seconds;
    return true;
}
