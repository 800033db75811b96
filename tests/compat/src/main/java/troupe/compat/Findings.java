package troupe.compat;

import java.util.LinkedHashMap;
import java.util.Map;

/** Counts what was compared and what differed, and prints the first differences. */
final class Findings {
  private static final int PRINTED = 20;

  private final Map<String, Long> compared = new LinkedHashMap<>();
  private long differences;

  void count(String what) {
    compared.merge(what, 1L, Long::sum);
  }

  void differ(String format, Object... values) {
    differences++;
    if (differences <= PRINTED) {
      System.err.println("DIFFERENT " + format.formatted(values));
    } else if (differences == PRINTED + 1) {
      System.err.println("DIFFERENT ... and more");
    }
  }

  /** Ends with the number of differences; 1 is the exit code when there are any. */
  int summarize() {
    compared.forEach((what, number) -> System.out.printf("%s=%d ", what, number));
    System.out.printf("differences=%d%n", differences);
    return differences == 0 ? 0 : 1;
  }
}
