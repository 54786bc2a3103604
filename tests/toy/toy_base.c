/* toy_base.c - the memory of the toy base and its initial values. */
#include "toy_base.h"

#include "internal.h"
#include "memory.h"

/* It codes blocks by itself only. */
static int toy_function(const lmz_block_spec *spec, const lmz_expert *expert)
{
    (void)spec;
    return expert ? -1 : 0;
}

static uint64_t toy_layout(struct lmz_coder *c, uint8_t *memory)
{
    uint64_t offset = 0;
    c->base_state = arena_take(memory, &offset, sizeof(toy_state));
    return offset;
}

static void toy_start(struct lmz_coder *c)
{
    toy_state *t = c->base_state;
    for (int i = 0; i < 256; i++)
        t->p[i] = 1 << 15;
}

const base_ops toy_base = {"toy", toy_function, toy_layout, toy_start};
