package troupe.compat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** Compares a manifest with the union of others: same messages, same fields. */
public final class CompareManifests {
  private CompareManifests() {}

  public static void main(String[] args) throws Exception {
    if (args.length < 2) {
      System.err.println("usage: CompareManifests ACTUAL EXPECTED...");
      System.exit(2);
    }
    List<ManifestEntry> expected = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      expected.addAll(Manifest.read(Path.of(args[i])));
    }
    System.exit(compare(Manifest.read(Path.of(args[0])), expected));
  }

  private static int compare(List<ManifestEntry> actual, List<ManifestEntry> expected) {
    Findings findings = new Findings();
    Map<Long, ManifestEntry> byOffset =
        actual.stream().collect(Collectors.toMap(ManifestEntry::physOffset, e -> e));
    for (ManifestEntry entry : expected) {
      findings.count("messages");
      ManifestEntry found = byOffset.remove(entry.physOffset());
      if (found == null) {
        findings.differ("%s is not there", entry.place());
        continue;
      }
      String differences = entry.differences(found.fields(), Set.of());
      if (!differences.isEmpty()) {
        findings.differ("%s: %s", entry.place(), differences);
      }
    }
    byOffset.values().forEach(entry -> findings.differ("%s is too much", entry.place()));
    return findings.summarize();
  }
}
