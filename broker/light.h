// SPDX-License-Identifier: GPL-2.0-or-later
/* The process that does slot-light: an enclosure may take its time. */
#pragma once

/* argv: the place (ENCLOSURE/SLOT below /sys/class/enclosure), "fault", "locate" or "off", "do" or "dry-run". */
int light_main(int argc, char **argv);
