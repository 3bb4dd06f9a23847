/* The micro-kernel for every size of tile. */
#define CASES(r)                                                                                   \
    case (r) * 4 + 1: tile_of(t, r, 1); break;                                                     \
    case (r) * 4 + 2: tile_of(t, r, 2); break;                                                     \
    case (r) * 4 + 3: tile_of(t, r, 3); break;

static void tile(const tile_args *t)
{
    switch (tile_out(t)->rows * 4 + (tile_out(t)->cols + V - 1) / V) {
        CASES(1)
        CASES(2)
        CASES(3)
        CASES(4)
        CASES(5)
        CASES(6)
        CASES(7)
        CASES(8)
    default: break;
    }
}
