package troupe.compare;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;

/** Bodies that all differ, are cheap to make, and can be told from their number alone. */
final class Bodies {
  /** Bytes of the number at the start of each body. */
  static final int SMALLEST = 8;

  private static final int POOL_BYTES = 1 << 20;
  /** Prime, so that neighbours start far apart and the pool is used evenly. */
  private static final long STRIDE = 7919;

  private final int size;
  private final byte[] pool;

  Bodies(int size) {
    this.size = size;
    this.pool = new byte[POOL_BYTES + size];
    new Random(1).nextBytes(pool);
  }

  int size() {
    return size;
  }

  void write(long number, ByteBuffer out) {
    out.putLong(number);
    out.put(pool, start(number), size - SMALLEST);
  }

  byte[] make(long number) {
    byte[] body = new byte[size];
    write(number, ByteBuffer.wrap(body));
    return body;
  }

  boolean matches(long number, byte[] body) {
    int start = start(number);
    return body.length == size
        && Arrays.equals(body, SMALLEST, size, pool, start, start + size - SMALLEST);
  }

  private static int start(long number) {
    return (int) (number * STRIDE % POOL_BYTES);
  }
}
