package troupe.compat;

import org.apache.rocketmq.common.message.MessageExtBrokerInner;

/** A message on its way into the store; the class it extends lives elsewhere in RocketMQ 4. */
public final class NewMessage extends MessageExtBrokerInner {
  private static final long serialVersionUID = 1L;
}
