/* sound_priors.h - what the samples base starts from: means over recordings of speech, of 16 bits and the upper 8 of
   them.  Any numbers work; these save bytes of short blocks. */
#ifndef LMZ_SOUND_PRIORS_H
#define LMZ_SOUND_PRIORS_H

#include "samples_base.h"

/* Products of samples so many moments apart, 1.0 = 2^20. */
static const int32_t typical_products[MAX_ROWS] = {
    1048586, 997753, 913296, 842565, 777154, 706819, 628482, 543897, 459537, 379269, 302717, 229471, 159923, 96496,
    40454, -8581, -49089, -79109, -99800, -114313, -123807, -127712, -127161, -122862, -114687, -103908, -94082,
    -87370, -81586, -76136, -72864, -72181, -74120, -79043, -86122, -93840, -101908, -109890, -115738, -119488,
    -124368, -130178, -134340, -136877, -137737, -137740, -136567, -134146};

/* Weights of the mixer in units of 2^-28: three scales of each prediction, hold cells; of 8 bits, byte cells. */
static const int32_t typical_weights[N_LANES_OF_DENSITIES] = {
    19000000, 12000000, 11000000, 18000000, 10000000, 11000000, 42000000, 35000000, 32000000, 22000000, 16000000,
    14000000, 17000000, 7000000, 10000000, 5000000};
static const int32_t typical_byte_weights[MAX_SAMPLE_INPUTS] = {
    31000000, 9000000, 0, 17000000, 12000000, 8000000, 41000000, 46000000, 43000000, 30000000, 2000000, -3000000,
    9000000, -6000000, 0, -6000000, 29000000, 9000000, 17000000, 19000000};

#endif
