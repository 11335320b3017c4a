import type { Hub, HubOptions } from "comet-sockets";

/** Lets customers follow their own orders alone. The proxy in front says who the customer is. */
export const authorize: NonNullable<HubOptions["authorize"]> = ({ headers }, topics) => {
  const customer = headers.get("x-customer");
  if (customer === null) return 401;
  return topics.every((topic) => topic === `orders:${customer}`);
};

/** Publishes a payment. A second call for the same order publishes nothing. */
export async function pay(hub: Hub, customer: string, order: string): Promise<void> {
  await hub.topic(`orders:${customer}`).publish({ order, status: "paid" }, { messageId: `paid:${order}` });
}
