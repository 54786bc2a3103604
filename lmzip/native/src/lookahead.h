/* lookahead.h - who runs the net: the coder itself, or a thread beside it.

   The net needs the byte a lane had last; coding a byte needs what the net predicts.  With the lanes in groups, the
   thread predicts for some while the coder codes another.  What is computed is the same, whoever does it when. */
#ifndef LMZ_LOOKAHEAD_H
#define LMZ_LOOKAHEAD_H

#include "internal.h"

/* Start the thread for at most n_steps steps; without a net, without leave, or without a thread, groups stay at 1. */
void lookahead_start(struct lmz_coder *, uint64_t n_steps);

/* Wait until the trees of the next group of lanes are there; and tell that its bytes are coded. */
void lookahead_wait(struct lmz_coder *);
void lookahead_coded(struct lmz_coder *);

/* End the thread, whether or not all steps were made. */
void lookahead_stop(struct lmz_coder *);

#endif
