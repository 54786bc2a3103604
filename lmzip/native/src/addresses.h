/* addresses.h - operands of machine code that say how far it is to an address, written as that address, and back
   (FORMAT 4.9). */
#ifndef LMZ_ADDRESSES_H
#define LMZ_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that others follow, the last ones may be converted in another way without these. */
#define ADDRESSES_OPEN_END 6

enum { ADDRESSES_WRITE, ADDRESSES_UNDO };

/* Convert, or convert back, the bytes of one gap, which stand at `place` of the raw bytes of a block. */
void addresses_convert(uint8_t *bytes, size_t size, size_t place, int machine, int direction);

#endif
