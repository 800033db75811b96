package troupe.compare;

import java.util.concurrent.atomic.AtomicLongArray;

/** A histogram whose steps are 1/16 of a power of two: within 7 % from a nanosecond up. */
final class Latencies {
  private static final int STEP_BITS = 4;
  private static final int STEPS = 1 << STEP_BITS;

  private final AtomicLongArray counts = new AtomicLongArray(64 * STEPS);

  void add(long nanoseconds) {
    counts.incrementAndGet(cell(Math.max(1, nanoseconds)));
  }

  void clear() {
    for (int i = 0; i < counts.length(); i++) {
      counts.set(i, 0);
    }
  }

  double microseconds(double share) {
    long total = 0;
    for (int i = 0; i < counts.length(); i++) {
      total += counts.get(i);
    }
    long wanted = (long) Math.ceil(total * share);
    long seen = 0;
    for (int i = 0; i < counts.length(); i++) {
      seen += counts.get(i);
      if (seen >= wanted && seen > 0) {
        return lowest(i) / 1000.0;
      }
    }
    return 0;
  }

  private static int cell(long value) {
    int power = 63 - Long.numberOfLeadingZeros(value);
    int shift = power - STEP_BITS;
    long fraction = shift < 0 ? value << -shift : value >>> shift;
    return power * STEPS + (int) (fraction & (STEPS - 1));
  }

  private static double lowest(int cell) {
    double base = Math.pow(2, cell / STEPS);
    return base + base * (cell % STEPS) / STEPS;
  }
}
