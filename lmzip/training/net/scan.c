/* scan.c - the gated linear recurrence of the net in training on CPUs, forward and backward.

   h_t = h_{t-1} + g_t (z_t - h_{t-1});  where reset_t is set, h_{t-1} counts as zero.
   z, g, h: (B, T, D) float; h0: (B, D); reset: (B, T) bytes.  D is vectorised by the compiler. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void scan_forward(const float *restrict z, const float *restrict g, const float *restrict h0, const uint8_t *reset,
                  float *restrict h, int64_t B, int64_t T, int64_t D)
{
    for (int64_t b = 0; b < B; b++) {
        const float *last = h0 + b * D;
        for (int64_t t = 0; t < T; t++) {
            size_t at = (size_t)((b * T + t) * D);
            float keep = reset[b * T + t] ? 0.0f : 1.0f;
            for (int64_t d = 0; d < D; d++) {
                float before = last[d] * keep;
                h[at + d] = before + g[at + d] * (z[at + d] - before);
            }
            last = h + at;
        }
    }
}

/* dh: gradient of every h; carry: (B, D) scratch. */
void scan_backward(const float *restrict z, const float *restrict g, const float *restrict h0, const uint8_t *reset,
                   const float *restrict h, const float *restrict dh, float *restrict dz, float *restrict dg,
                   float *restrict carry, int64_t B, int64_t T, int64_t D)
{
    memset(carry, 0, sizeof(float) * (size_t)(B * D));
    for (int64_t b = 0; b < B; b++) {
        float *c = carry + b * D;
        for (int64_t t = T - 1; t >= 0; t--) {
            size_t at = (size_t)((b * T + t) * D);
            const float *last = t ? h + at - D : h0 + b * D;
            float keep = reset[b * T + t] ? 0.0f : 1.0f;
            for (int64_t d = 0; d < D; d++) {
                float a = dh[at + d] + c[d];
                dg[at + d] = a * (z[at + d] - last[d] * keep);
                dz[at + d] = a * g[at + d];
                c[d] = a * (1.0f - g[at + d]) * keep;
            }
        }
    }
}
