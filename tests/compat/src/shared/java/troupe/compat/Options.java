package troupe.compat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A small command line: positional words, {@code --name value} and {@code --flag}. */
public final class Options {
  private final List<String> words = new ArrayList<>();
  private final Map<String, String> values = new HashMap<>();

  /** Throws IllegalArgumentException with a sentence for a person when the line is wrong. */
  public Options(String[] args, List<String> valued, List<String> flags) {
    for (int i = 0; i < args.length; i++) {
      String arg = args[i];
      if (!arg.startsWith("--")) {
        words.add(arg);
      } else if (flags.contains(arg)) {
        values.put(arg, "true");
      } else if (!valued.contains(arg)) {
        throw new IllegalArgumentException("unknown option " + arg);
      } else if (i + 1 == args.length) {
        throw new IllegalArgumentException(arg + " needs a value");
      } else {
        values.put(arg, args[++i]);
      }
    }
  }

  public List<String> words() {
    return words;
  }

  public boolean has(String name) {
    return values.containsKey(name);
  }

  public String text(String name, String fallback) {
    return values.getOrDefault(name, fallback);
  }

  public int number(String name, int fallback) {
    String text = values.get(name);
    if (text == null) {
      return fallback;
    }
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(name + " wants a number, not '" + text + "'", e);
    }
  }
}
