import { createContext } from "react";

/** The nonce of the page's policy, on the server alone. */
export const Nonce = createContext(undefined);
