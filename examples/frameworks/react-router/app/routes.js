import { index, route } from "@react-router/dev/routes";

export default [
  index("routes/home.jsx"),
  ...["live", "news", "login", "stats", "version"].map((name) => route(name, `routes/${name}.js`)),
];
