using KernelGateway.Server.Configuration;

return await GatewayHost.RunAsync(args);
