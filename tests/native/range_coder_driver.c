/* range_coder_driver.c - the kernel's range coder for a test, over standard input and output.

   In: u32 n, n times u32 p1 and u32 bit, u32 capacity.  Out: the payload of these decisions, at most capacity bytes.
   With an argument, in: u32 n, n times u32 p1 and u32 0, u32 size, the payload.  Out: a byte for each decision.  The
   exit status is 1 where the payload does not fit, or is not used up. */
#include <stdio.h>
#include <stdlib.h>

#include "range_coder.h"

static uint32_t take(void)
{
    uint32_t number = 0;
    if (fread(&number, sizeof number, 1, stdin) != 1)
        exit(2);
    return number;
}

int main(int argc, char **argv)
{
    (void)argv;
    const uint32_t n = take();
    uint32_t(*decisions)[2] = malloc((n + 1) * sizeof *decisions);
    for (uint32_t i = 0; i < n; i++) {
        decisions[i][0] = take();
        decisions[i][1] = take();
    }
    const uint32_t size = take();
    uint8_t *payload = malloc(size + 1);
    range_coder rc;
    if (argc > 1) {
        if (fread(payload, 1, size, stdin) != size)
            return 2;
        rc_start_decoder(&rc, payload, size);
        for (uint32_t i = 0; i < n; i++)
            putchar(rc_code_bit(&rc, 0, decisions[i][0]));
        return !rc_finished_decoder(&rc);
    }
    rc_start_encoder(&rc, payload, size);
    for (uint32_t i = 0; i < n; i++)
        rc_code_bit(&rc, (int)decisions[i][1], decisions[i][0]);
    rc_finish_encoder(&rc);
    if (rc.failed)
        return 1;
    fwrite(payload, 1, rc.position, stdout);
    return 0;
}
