import { sqliteFolder } from "../support/sqlite.ts";
import { brokerContract } from "./contract.ts";

brokerContract(
  "sqlite",
  () => {
    const file = sqliteFolder();
    return Promise.resolve({ connect: () => file.open(), close: () => file.close() });
  },
  { hasServer: false, keepsFinite: true },
);
