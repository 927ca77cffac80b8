/* Chlorine dosing of unit DU-3, proportional to flow. Runs on the controller every 500 ms. */
#include "du3.h"

#define SET_POINT_MG_L      0.30f
#define FLUSH_SECONDS       780     /* thirteen minutes: one pipe volume to the School at 9 l/s */
#define MAX_STROKES_PER_MIN 120

static unsigned flush_left = FLUSH_SECONDS;

/* Returns the strokes per minute. No pump, no dose: hypochlorite in standing water attacks the pipe. */
unsigned du3_strokes(float flow_l_s, int any_pump_running)
{
    if (!any_pump_running) {
        flush_left = FLUSH_SECONDS;
        raise_alarm(DU_30_INTERLOCK);
        return 0;
    }
    if (flush_left > 0) {
        flush_left -= 1;    /* called once a second while flushing */
        return 0;
    }
    float wanted = flow_l_s * SET_POINT_MG_L * STROKES_PER_MG;
    return wanted > MAX_STROKES_PER_MIN ? MAX_STROKES_PER_MIN : (unsigned)wanted;
}
