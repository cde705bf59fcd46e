/* SPDX-License-Identifier: Apache-2.0 */
/* What the app and the driver of the lamp agree on. */
#ifndef LAMP_H
#define LAMP_H

#define LAMP_SERVICE "Lamp"

enum {
	kLampSwitch, /* in: 1 on, 0 off */
	kLampWait,   /* asynchronous: completes with the number of the key that was pressed */
};

#endif
