# Mixed models of mixed_ratings.csv by lme4 and ordinal, as oracles for analysis/mixed_linear.py and mixed_ordinal.py.
# R 4.2.2, lme4 1.1-31, ordinal 2022.11-16, numDeriv 2016.8-1.1, jsonlite 1.8.4; in this folder:
#   Rscript mixed_models.R > mixed_models.json
suppressPackageStartupMessages({ library(lme4); library(ordinal) })

ratings <- read.csv("mixed_ratings.csv", stringsAsFactors = TRUE)
ratings$completion <- interaction(ratings$item, ratings$system, drop = TRUE)
strict <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))

# Satterthwaite's degrees of freedom of the differences from system a, from lme4's own deviance as a function of the
# relative standard deviations theta and the residual one.
satterthwaite <- function(model) {
  devfun <- update(model, devFunOnly = TRUE)
  size <- length(getME(model, "theta"))
  at <- function(parameters) {
    devfun(parameters[1:size])
    list(pp = environment(devfun)$pp, resp = environment(devfun)$resp, sigma = parameters[size + 1])
  }
  deviance <- function(parameters) {
    point <- at(parameters)
    freedom <- nobs(model) - length(fixef(model))
    squares <- point$resp$wrss() + point$pp$sqrL(1)
    point$pp$ldL2() + point$pp$ldRX2() + freedom * log(2 * pi * point$sigma^2) + squares / point$sigma^2
  }
  variances <- function(parameters) { point <- at(parameters); diag(point$sigma^2 * point$pp$unsc()) }
  best <- c(getME(model, "theta"), sigma(model))
  covariance <- 2 * solve(numDeriv::hessian(deviance, best))
  slopes <- numDeriv::jacobian(variances, best)
  values <- variances(best)
  (2 * values^2 / diag(slopes %*% covariance %*% t(slopes)))[-1]
}

describe_linear <- function(random) {
  fit <- function(fixed, reml) {
    lmer(as.formula(paste("value ~", fixed, "+", random)), ratings, REML = reml, control = strict)
  }
  model <- fit("system", TRUE)
  workers <- ranef(model, condVar = TRUE)$worker
  components <- as.data.frame(VarCorr(model))
  list(
    deviance = REMLcrit(model),
    variances = as.list(setNames(components$vcov, components$grp)),
    differences = unname(fixef(model)[-1]),
    errors = unname(sqrt(diag(as.matrix(vcov(model)))))[-1],
    freedom = satterthwaite(model),
    chi_square = as.numeric(2 * (logLik(fit("system", FALSE)) - logLik(fit("1", FALSE)))),
    workers = workers[[1]],
    worker_errors = sqrt(as.numeric(attr(workers, "postVar")))
  )
}

describe_ordinal <- function(random) {
  ratings$value <- factor(ratings$value)
  fit <- function(fixed) {
    control <- clmm.control(gradTol = 1e-6)
    clmm(as.formula(paste("value ~", fixed, "+", random)), data = ratings, control = control)
  }
  model <- fit("system")
  slopes <- grep("^system", names(coef(model)))
  list(
    log_likelihood = as.numeric(logLik(model)),
    variances = lapply(VarCorr(model), function(variance) variance[1]),
    thresholds = unname(model$alpha),
    differences = unname(model$beta),
    errors = unname(sqrt(diag(vcov(model)))[slopes]),
    chi_square = as.numeric(2 * (logLik(model) - logLik(fit("1")))),
    workers = ranef(model)$worker[[1]],
    worker_errors = sqrt(condVar(model)$worker[[1]])
  )
}

both <- "(1 | item) + (1 | worker)"
all_three <- paste(both, "+ (1 | completion)")
results <- list(
  linear = describe_linear(both),
  linear_completions = describe_linear(all_three),
  ordinal = describe_ordinal(both),
  ordinal_completions = describe_ordinal(all_three)
)
cat(jsonlite::toJSON(results, digits = 8, auto_unbox = TRUE, pretty = TRUE), "\n")
